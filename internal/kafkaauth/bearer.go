package kafkaauth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
)

// Tokens gives bearer tokens. It is safe for concurrent use; its errors never hold a token or a secret.
type Tokens interface {
	Token(ctx context.Context) (string, error)
}

// Static is a token that never changes.
type Static string

// Token implements Tokens.
func (s Static) Token(context.Context) (string, error) { return string(s), nil }

// File is the path of a file that holds a token. It is read for every connection, so that another process may renew it.
type File string

// maxToken bounds a token: brokers take 512 KiB at most, and real ones have a few KiB.
const maxToken = 512 << 10

// Token implements Tokens.
func (f File) Token(context.Context) (string, error) {
	b, err := os.ReadFile(string(f))
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Mechanism is OAUTHBEARER. It implements sasl.Mechanism.
type Mechanism struct{ tokens Tokens }

// New is the mechanism with tokens from t.
func New(t Tokens) *Mechanism { return &Mechanism{t} }

// Name implements sasl.Mechanism.
func (*Mechanism) Name() string { return "OAUTHBEARER" }

// Start implements sasl.Mechanism: the first message holds the token.
func (m *Mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := m.tokens.Token(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("OAUTHBEARER: %w", err)
	}
	if err := wellFormed(token); err != nil {
		return nil, nil, fmt.Errorf("OAUTHBEARER: %w", err)
	}
	return answer{}, []byte("n,,\x01auth=Bearer " + token + "\x01\x01"), nil
}

// wellFormed refuses what could not be a token (RFC 6750, b64token): a control character would end the message's field.
func wellFormed(token string) error {
	switch {
	case token == "":
		return errors.New("the token is empty")
	case len(token) > maxToken:
		return fmt.Errorf("the token has %d bytes, at most %d", len(token), maxToken)
	}
	ours := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~+/=", r)
	}
	for _, r := range token {
		if !ours(r) {
			return errors.New("the token has characters that no bearer token has")
		}
	}
	return nil
}

// answer is the state after the first message.
type answer struct{}

// Next implements sasl.StateMachine: an empty challenge is success, anything else the broker's reason as JSON (RFC 7628, section 3.2.2).
func (answer) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	return false, nil, fmt.Errorf("OAUTHBEARER: the broker refuses the token: %.200q", challenge)
}
