"""Questions over the catalog, and their renderers. Reads only; never imports torch."""
