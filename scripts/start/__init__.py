"""How long chatter takes to be imported and to start, and what memory a node has to itself."""
