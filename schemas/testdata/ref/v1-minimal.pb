
as3://bucket/key