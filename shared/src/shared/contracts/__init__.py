"""What services tell each other: events, their envelope, the topics, and the documents exported from them."""
