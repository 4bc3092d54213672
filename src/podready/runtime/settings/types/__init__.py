"""Types of fields beside Python's own scalars and collections: texts to values, and back."""
