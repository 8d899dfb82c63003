"""Side by side with the peers: `make bench`, or `python -m benches [TOPIC ...]`; a topic is a file of this folder."""
