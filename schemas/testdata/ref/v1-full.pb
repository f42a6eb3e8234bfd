
	call-4711s3://calls/2026/11/4711.flac*audio2speech: 9b2cf535f27731c974343645a3985328B!3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHYJ
audio/flacR,€úZ

noteÃ¼Z
tenanta