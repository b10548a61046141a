"""The names of the queues that messages wait in, less what is put before them."""

INTERACTIVE, BULK, DEAD = "interactive", "bulk", "dead"
