"""The JSON API: everything the pages do, through the same gate, for programs."""
