"""Who is told what, and how it reaches them: the record is followed, and nobody has to remember to send anything."""
