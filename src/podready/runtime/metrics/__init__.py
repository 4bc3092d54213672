"""Numbers in shared memory and the page that shows them."""
