"""Two sends are not two recvs: TCP keeps no message boundaries, UDP does."""
