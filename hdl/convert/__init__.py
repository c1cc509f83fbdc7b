"""Parts of the converters between scalar floats and blocks."""
