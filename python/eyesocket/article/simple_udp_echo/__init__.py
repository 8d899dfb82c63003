"""The article's second pair: a UDP echo server and its client."""
