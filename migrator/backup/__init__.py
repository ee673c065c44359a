"""Copies of tables in files of their own: made in one snapshot, checked without a server, put back by key.

It knows connections, files and manifests; which tables there are, and how they are read, the content tells.
"""
