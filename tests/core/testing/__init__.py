"""The kits that ship."""
