"""The study: the product's own methods, selection and gates on simulated listeners, in one process, against `cold`."""
