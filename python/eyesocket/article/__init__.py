"""The article's scripts, ported: run one by `python -m eyesocket.article.NAME`, `--help` names its options.

Each keeps the name, the prints and the order of calls of its original, so that it can be read beside the article.
Where the original has a fault, a comment names it and the code does it right. `from eyesocket import socket` is the
only line that a script needs to change between this package's sockets and the standard library's.

| NAME | what it shows |
|---|---|
| `simple_tcp_echo.echo_server`, `simple_tcp_echo.echo_client` | connect, send, receive over TCP |
| `simple_tcp_echo.framed_echo_server` | many clients at once, a silent one among them, by `framing.serve` |
| `simple_udp_echo.echo_server`, `simple_udp_echo.echo_client` | the same over UDP: no connection, no listen |
| `tcp_echo_with_pitfall.echo_server`, `.echo_client`, `.safe_socket` | send and recv may do less than asked |
| `tcp_echo_with_pitfall.framed_echo_server`, `.framed_echo_client` | the same on frames: no length known beforehand |
| `tcp_echo_with_pitfall.framed_echo` | both in five lines |
| `send_buffer` | what the kernel makes of SO_SNDBUF |
| `framing_assumptions.tcp_server`, `.tcp_client` | two sends, one recv: TCP has no messages |
| `framing_assumptions.udp_server`, `.udp_client` | two datagrams, two messages |
| `framing_assumptions.framed_tcp_server`, `.framed_tcp_client` | the cure: two sends, two messages over TCP |
| `time_wait` | who closes first holds TIME_WAIT; what SO_REUSEADDR is for |
| `http_ua`, `https_ua` | a user agent by hand, and `eyesocket.http` |
| `uds_server`, `uds_client` | sockets whose address is a path |
| `framed_uds_server`, `framed_uds_client` | the same on frames: many clients at once, messages of any length |
| `ping` | ICMP echo on raw and datagram sockets |
| `netstat_vs_ss` | socket tables with filters, as data |
"""
