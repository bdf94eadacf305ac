"""The methods of `EsmsClient`, grouped by subject: one typed method for each function of the catalogue."""
