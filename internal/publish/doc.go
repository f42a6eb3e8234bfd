// Package publish puts the references of a list into a topic, each once, as fast as those who read the topic take them.
//
//	P1 Reference n goes to partition n mod P, of the P that the topic had when its publishing began, and its record says n in a header. If copies are to come together, which the state says, it goes to
//	   m mod P, where its entity tag is the MD5 of its content and m is the beginning of that.
//	P2 A state names the first reference that may be missing, and for each partition an offset behind which the record of that one and of all that follow lies. It is saved before the first
//	   record is written, and after each round.
//	P3 Who begins, or got no clear answer, reads what lies behind those offsets before it writes: what is there is not written again. It reads up to ends that are settled: a record that not all in-sync replicas have is in the log, and
//	   no reading shows it, for half a minute or more where a replica is away. It is waited for.
//	P4 The state never comes to lie between references that are there: its offsets would hide those behind it from P3. So the first round of who goes on ends behind the last one that was found, however
//	   small a round is by now, and however far behind the groups are.
//	P5 Two never write at once. Who wants to write makes the next of the list's claims, which are numbered. It looks again and again whether there is a later one, also while it reads, and writes no record and no state later than
//	   hold after a look that found none, also by the clock of the day, since the one that times are measured with stands still while a machine is suspended. Who makes a claim behind one that does not say that it is over waits grace, which is longer, before it reads anything.
//	P6 Who finds a claim whose owner says that it is at work makes none, and ends. One that is silent for so long (killed, paused, or waiting for its rate) is followed; it ends at its next look.
//
// So a publisher that was killed goes on where it was, and reads one round again, 25 seconds later, and of two the second one ends. What lay with Kafka when it was given up is looked for again only once it may have
// landed. Not held: a request that lands more than five seconds after it was given up, as one of a machine that is suspended with it under way, or of a virtual machine whose clocks stand still; and records that retention has taken before P3.
// These write a reference twice, which gives its rows twice, under the same row ids.
//
// Neighbours: stream/kafkasource has the log, internal/backfill/plan the list and the place of the state, internal/wire joins them.
package publish
