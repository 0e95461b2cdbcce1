"""What the agent reads of its host: one function for each subject, which returns families.

Names, types, labels and values are node_exporter's; so are the names of the sources.
"""
