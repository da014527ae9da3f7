"""report: one module per output format. Draws values; knows no stage."""
