"""`python -m eyesocket` is the command `eyesocket`."""

from eyesocket._command import main

if __name__ == "__main__":
    raise SystemExit(main())
