"""What the pages are made of: npm packages pinned by a lock file, turned into static files when the portal is built."""
