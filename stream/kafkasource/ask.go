package kafkasource

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"vecmill/internal/retry"
)

// idsFrom is the version of JoinGroup (Kafka 2.2) from which a member that comes without an id is given one and sent away, to come back with it.
const idsFrom = 4

// AskToJoin asks a group's coordinator whether it would take a member with these settings, and makes none: whoever comes without an id is sent away, if nothing else is wrong.
// The id is given back at once, since a rebalance would wait for whoever has one. Brokers that are too old to send anybody away are not asked. The error is one that ends a
// worker, with what to do; what may pass is none.
func AskToJoin(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	open := newConns(cfg.Dial)
	defer open.closeAll()
	transport := &kafka.Transport{Dial: open.dial, DialTimeout: 10 * time.Second, ClientID: cfg.ClientID, TLS: cfg.TLS, SASL: cfg.SASL}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport, Timeout: lookupTimeout}
	if !sendsAway(ctx, client) {
		return nil
	}
	as := (&Source{cfg: cfg}).groupConfig(nil)
	req := &kafka.JoinGroupRequest{GroupID: as.ID, SessionTimeout: as.SessionTimeout, RebalanceTimeout: as.RebalanceTimeout, ProtocolType: "consumer"}
	for _, b := range as.GroupBalancers {
		req.Protocols = append(req.Protocols, kafka.GroupProtocol{Name: b.ProtocolName(), Metadata: kafka.GroupProtocolSubscription{Topics: as.Topics}})
	}
	_, err := retry.Do(ctx, cfg.Retry, func(err error) bool { return !settling(err) }, func(ctx context.Context) error {
		res, err := client.JoinGroup(ctx, req)
		if err != nil {
			return err
		}
		giveBack(ctx, client, as.ID, res.MemberID)
		return res.Error
	})
	return groupFault(err)
}

// sendsAway says whether the brokers send members without an id away.
func sendsAway(ctx context.Context, client *kafka.Client) bool {
	res, err := client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})
	if err != nil {
		return false
	}
	for _, k := range res.ApiKeys {
		if k.ApiKey == int(protocol.JoinGroup) {
			return k.MaxVersion >= idsFrom
		}
	}
	return false
}

// giveBack leaves the group under an id that nobody uses any more, also when there is no time left. A coordinator that is not reached forgets the id after the session's time.
func giveBack(ctx context.Context, client *kafka.Client, group, id string) {
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	_, _ = client.LeaveGroup(ctx, &kafka.LeaveGroupRequest{GroupID: group, Members: []kafka.LeaveGroupRequestMember{{ID: id}}}) // see above
}
