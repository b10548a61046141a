"""Jobs at work: who runs them on this machine, and what each kind does.

What a job is, its states and its lease are `store.jobs`'.
"""
