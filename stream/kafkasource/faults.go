package kafkasource

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// faults are the broker's answers that no retry mends, with what a person can do.
var faults = []struct {
	code kafka.Error
	help string
}{
	{kafka.TopicAuthorizationFailed, "the user may not read the topic: grant READ and DESCRIBE on it"},
	{kafka.GroupAuthorizationFailed, "the user may not join the consumer group: grant READ on it"},
	{kafka.ClusterAuthorizationFailed, "the user may not use the cluster"},
	{kafka.SASLAuthenticationFailed, "the broker refused the user or the password"},
	{kafka.UnsupportedSASLMechanism, "the broker does not offer this SASL mechanism"},
	{kafka.InvalidSessionTimeout, "session_timeout is outside the broker's group.min.session.timeout.ms and group.max.session.timeout.ms"},
	{kafka.InconsistentGroupProtocol, "another kind of client is a member of this group: use a group of its own for each application"},
	{kafka.InvalidGroupId, "the broker refuses the group's name"},
	{kafka.GroupMaxSizeReached, "the group is full by the broker's group.max.size"},
}

// groupFault is nil for a fault that may pass, and otherwise err with advice.
func groupFault(err error) error {
	for _, f := range faults {
		if errors.Is(err, f.code) {
			return fmt.Errorf("%w: %s", err, f.help)
		}
	}
	return nil
}

// evicted says whether the broker no longer takes this process for a member of the generation.
func evicted(err error) bool {
	return errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.FencedInstanceID)
}
