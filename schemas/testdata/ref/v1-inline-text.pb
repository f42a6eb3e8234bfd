
t"hello*text