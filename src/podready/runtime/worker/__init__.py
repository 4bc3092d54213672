"""The forked child: its life, its drain, its exit."""
