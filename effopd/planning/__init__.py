"""What a run will need of memory, disk and time, by arithmetic alone, before it starts."""
