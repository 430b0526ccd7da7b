"""Models of runs in the browser and over HTTP: a page, and an endpoint beside it."""
