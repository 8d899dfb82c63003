"""The article's scripts, ported: run one by `python -m eyesocket.article.NAME`."""
