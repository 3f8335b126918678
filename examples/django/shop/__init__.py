"""A shop: it takes orders, confirms them by mail, and counts them."""
