"""execute: carries a plan's actions out and supervises what runs; it decides nothing that plan decides."""
