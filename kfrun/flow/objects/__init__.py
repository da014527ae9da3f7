"""Objects as kubectl knows them: created, replaced, and shipped ones among those that are stored."""
