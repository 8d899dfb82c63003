"""`python -m eyesocket` is the command `eyesocket`."""

from eyesocket._command import main

raise SystemExit(main())
