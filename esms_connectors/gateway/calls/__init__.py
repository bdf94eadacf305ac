"""The methods of `EsmsClient`, a module a subject: one typed method for each function of the catalogue."""
