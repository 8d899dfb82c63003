"""The article's first pair: a TCP echo server and its client."""
