
	call-47112speech`