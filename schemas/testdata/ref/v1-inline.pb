
thello*text