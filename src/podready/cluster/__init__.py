"""A Kubernetes API on one machine; folder names are the boxes of Kubernetes' own diagram."""
