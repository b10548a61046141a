"""What operators are told elsewhere, if they ask for it: traces of jobs, and defects of pixmill.

Nothing here is needed to work, and nothing here may hold up work or break it.
"""
