"""The annotation page: its server, who may enter, and the page's own files in `page/`."""
