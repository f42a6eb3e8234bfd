
q-1s3://docs/1.txt*textrWho is Köln?