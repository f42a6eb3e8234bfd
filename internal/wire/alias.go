package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/milvussink"
	"vecmill/sinks/opensearchsink"
	"vecmill/sinks/qdrantsink"
	"vecmill/sinks/redissink"
)

func qdrantStep(c *config.Qdrant, name string) Step {
	return Step{
		What: fmt.Sprintf(`Qdrant: POST /collections/aliases {"actions":[{"delete_alias":{"alias_name":%q}},{"create_alias":{"alias_name":%q,"collection_name":%q}}]}`, name, name, c.Collection),
		Do: func(ctx context.Context) error {
			cfg, err := qdrantOf(c, nil)
			if err != nil {
				return err
			}
			return qdrantsink.PointAlias(ctx, cfg, name)
		},
	}
}

func milvusStep(c *config.Milvus, name string) Step {
	body := fmt.Sprintf(`"aliasName":%q,"collectionName":%q}`, name, c.Collection)
	if db := c.Database; db != "" { // else the server takes the default one
		body = fmt.Sprintf(`"dbName":%q,`, db) + body
	}
	return Step{
		What: fmt.Sprintf(`Milvus: POST /v2/vectordb/aliases/alter {%s; where there is no such alias yet, POST /v2/vectordb/aliases/create {%[1]s`, body),
		Do: func(ctx context.Context) error {
			cfg, err := milvusOf(c, nil)
			if err != nil {
				return err
			}
			return milvussink.PointAlias(ctx, cfg, name)
		},
	}
}

func openSearchStep(c *config.OpenSearch, name string) Step {
	return Step{
		What: fmt.Sprintf(`OpenSearch: POST /_aliases {"actions":[{"remove":{"index":"*","alias":%q}},{"add":{"index":%q,"alias":%q}}]}`, name, c.Index, name),
		Do: func(ctx context.Context) error {
			cfg, err := openSearchOf(c, nil)
			if err != nil {
				return err
			}
			return opensearchsink.PointAlias(ctx, cfg, name)
		},
	}
}

func redisStep(c *config.Redis, name string, heads []string) Step {
	var commands []string
	for _, head := range heads {
		commands = append(commands, fmt.Sprintf("FT.ALIASUPDATE %s %s", redissink.IndexName(name, head), redissink.IndexName(c.Prefix, head)))
	}
	return Step{
		What: "Redis: " + strings.Join(commands, "; "),
		Do: func(ctx context.Context) error {
			cfg, err := redisOf(c, nil)
			if err != nil {
				return err
			}
			cfg.Index.Vectors.Heads = heads
			if err = redissink.PointAliases(ctx, cfg, name); errors.Is(err, redissink.ErrNoAliases) {
				return errors.Join(ErrByHand, err)
			}
			return err
		},
	}
}

// vectorHeads are the heads that give vectors.
func vectorHeads(p *config.Pipeline) (names []string) {
	for i := range p.Heads {
		if t := schemas.Task(p.Heads[i].Task); t == schemas.TaskEmbedding || t == schemas.TaskXVector {
			names = append(names, p.Heads[i].Name)
		}
	}
	return names
}
