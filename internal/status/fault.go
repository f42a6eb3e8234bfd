package status

import (
	"cmp"
	"maps"
	"slices"

	"vecmill/schemas"
)

// Fault is the last trouble of a place that a pipeline writes to or reads from. It stays when it is over, so that somebody who comes later sees it.
type Fault struct {
	Output  string     `json:"output"` // as the configuration names it, such as outputs[0], dead_letters, or PlaceKafka or PlaceFetch; "" is the pipeline itself, which has stopped
	Class   FaultClass `json:"class"`
	Message string     `json:"message"` // of the last failed try
	Advice  string     `json:"advice"`
	Tries   int        `json:"tries"` // that failed one after the other; 0: it is not tried again
	Since   int64      `json:"since"` // Unix milliseconds of the first of these
	Last    int64      `json:"last"`  // and of the last
	Until   int64      `json:"until"` // when a try did not fail any more; 0: not yet. Of what has happened once, and does not last, Since and Last are the same
}

// FaultClass says what kind of trouble it is: a schemas.PlaceFault, or one of these.
type FaultClass string

// The classes beside those of places.
const (
	FaultSlow     FaultClass = "slow"      // it did not answer in time
	FaultAnswer   FaultClass = "trouble"   // it answered that it could not
	FaultRefused  FaultClass = "refused"   // it did not take some rows, and is best effort
	FaultNewModel FaultClass = "new-model" // its files go on behind those of another model
	FaultStopped  FaultClass = "stopped"   // the pipeline has ended
)

// The places beside outputs and dead letters.
const (
	PlaceKafka = "kafka" // the brokers that a pipeline reads from
	PlaceFetch = "fetch" // the store and the hosts that it gets objects from
)

// FaultAdvice says what to do about a fault of a place.
func FaultAdvice(place string, c FaultClass) string {
	switch place {
	case PlaceKafka:
		return cmp.Or(kafkaAdvice[c], faultAdvice[c])
	case PlaceFetch:
		return cmp.Or(fetchAdvice[c], faultAdvice[c])
	}
	return faultAdvice[c]
}

// Advices is all that is ever advised, so that its commands can be tried.
func Advices() []string {
	all := slices.Collect(maps.Values(advice))
	for _, of := range []map[FaultClass]string{faultAdvice, kafkaAdvice, fetchAdvice} {
		all = slices.AppendSeq(all, maps.Values(of))
	}
	return all
}

// kafkaAdvice is of faults that are tried again without end.
var kafkaAdvice = map[FaultClass]string{
	FaultClass(schemas.PlaceUnreachable): "The brokers are not reached, and the pipeline goes on by itself when they are. Are they up, are kafka.brokers and the addresses that brokers give of themselves right, and do firewalls and network policies let this worker through? worker doctor --config FILE tries it apart.",
	FaultSlow:                            "The brokers do not answer in time, and the pipeline goes on by itself when they do. Look at their load and at the network.",
	FaultAnswer:                          "The brokers answer that they cannot, in the words above, and the pipeline goes on by itself when they can: a partition without a leader, a coordinator that moves. Look into their logs, and which of them are up.",
}

// fetchAdvice is of what is waited for: a store for two minutes, hosts and single objects for fetch.attempts.
var fetchAdvice = map[FaultClass]string{
	FaultClass(schemas.PlaceUnreachable): "The store or host of objects is not reached. A store is waited for for two minutes, then the worker ends with a sentence and nothing is lost; of hosts that stay away objects become dead letters (fetch-failed). Is it up, are s3.endpoint and the references right, and do firewalls and network policies let this worker through? worker doctor --config FILE tries it apart.",
	FaultSlow:                            "Objects do not come in time, and are asked for again; when the tries are used up they become dead letters (fetch-failed), to be replayed when the store or host is well. Look at its load and at the network; a larger fetch.timeout helps where it is only slow.",
	FaultAnswer:                          "The store or host of objects answers that it cannot, in the words above, and is asked again; when the tries are used up objects become dead letters (fetch-failed), to be replayed when it is well. Look into its log, its quota and the credentials; fewer fetchers ask it for less at once.",
}

var faultAdvice = map[FaultClass]string{
	FaultClass(schemas.PlaceUnreachable): "Nobody answers there. Is it up, is the address right, and do firewalls and network policies let this worker through? worker doctor --config FILE tries it apart.",
	FaultSlow:                            "It does not answer in time. Look at its load and at the network; a larger timeout or smaller batches of this output help where it is only slow.",
	FaultAnswer:                          "It answers that it cannot, in the words above: look into its own log, its quota and its rights.",
	FaultRefused:                         "It does not take these rows, and they are not in it; the other outputs have them. Mend the table or collection, then backfill.",
	FaultNewModel:                        "This is no fault of the files: each row says whose it is (model_digest). Whoever compares vectors reads those of one model; another name of the pipeline, or another url, begins files of its own.",
	FaultStopped:                         "The pipeline has ended with this sentence, and the worker ends when the others have drained. What is durable is committed, and the next start goes on behind it.",
	FaultClass(schemas.PlaceDimension):   "What is there has vectors of another length. Name another table, index or collection, or give back the model that it was made with.",
	FaultClass(schemas.PlaceMetric):      "Its index compares vectors otherwise. Change the setting metric, or name another place.",
	FaultClass(schemas.PlaceModel):       "Results of another model are there, and cannot be compared with this one's. Give each model a place of its own.",
	FaultClass(schemas.PlaceLayout):      "Its fields, columns or settings are not those that rows need, or it is somebody else's. Name another place, or mend it as the message says.",
}
