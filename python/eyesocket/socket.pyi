from socket import *
from socket import EAGAIN as EAGAIN
from socket import EBADF as EBADF
from socket import EWOULDBLOCK as EWOULDBLOCK
from socket import AddressInfo as AddressInfo
from socket import MsgFlag as MsgFlag
from socket import SocketIO as SocketIO
from socket import __all__ as __all__
