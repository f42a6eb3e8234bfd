package harness

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// kafkaProperties are those of one node that is broker and controller, everything on loopback, with the replication
// factors of a single node and timeouts that suit tests. over wins over them.
func kafkaProperties(dataDir string, port, controllerPort int, over map[string]string) map[string]string {
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        "1",
		"controller.quorum.voters":       "1@" + loopback(controllerPort),
		"listeners":                      "PLAINTEXT://" + loopback(port) + ",CONTROLLER://" + loopback(controllerPort),
		"advertised.listeners":           "PLAINTEXT://" + loopback(port),
		"controller.listener.names":      "CONTROLLER",
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name":     "PLAINTEXT",
		"log.dirs":                       dataDir,
		"auto.create.topics.enable":      "false",

		// One partition each, so that a coordinator that is ready for one is ready for all.
		"offsets.topic.num.partitions":                     "1",
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.num.partitions":             "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",

		// Groups settle at once, and a killed member is missed soon.
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "1000",

		// After a SIGKILL the controller lets the broker register again only when the old session has run out.
		"broker.session.timeout.ms":    "3000",
		"broker.heartbeat.interval.ms": "500",

		"num.network.threads":             "2",
		"num.io.threads":                  "4",
		"log.cleaner.dedupe.buffer.size":  "8388608",
		"log.retention.check.interval.ms": "3600000",
		"log.retention.hours":             "-1",
	}
	maps.Copy(p, over)
	return p
}

// joining makes properties those of a second broker, in the cluster of a controller.
func joining(p map[string]string, port, controllerPort int) {
	p["process.roles"], p["node.id"] = "broker", "2"
	p["controller.quorum.voters"] = "1@" + loopback(controllerPort)
	p["listeners"] = "PLAINTEXT://" + loopback(port)
}

// writeProperties writes a Java properties file, sorted.
func writeProperties(path string, p map[string]string) error {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, strings.ReplaceAll(p[key], `\`, `\\`))
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
