package pgvectorsink

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of the server.
const (
	otherColumns = "42P16" // invalid_table_definition: a view cannot be replaced by one with other columns
	notAView     = "42809" // wrong_object_type
)

// PointView has a view show a table, in one transaction: who reads it sees what it showed before, or the table. A view whose columns were others (vectors of another dimension) is made anew, and
// then loses its privileges. It may be called again, and by
// several at once, which then wait for each other: the server would refuse one of two that change a view.
func PointView(ctx context.Context, dsn, view, table string) error {
	for _, name := range []string{view, table} {
		if !tableRE.MatchString(name) {
			return fmt.Errorf("%q is not the name of a view or table", name)
		}
	}
	pool, err := connect(ctx, dsn, 1)
	if err != nil {
		return err
	}
	defer pool.Close()
	v, shows := namesOf(view).table, " AS SELECT * FROM "+namesOf(table).table
	inTurn := func(statements ...string) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", v)
			for _, s := range statements {
				if err == nil {
					_, err = tx.Exec(ctx, s)
				}
			}
			return err
		})
	}
	err = inTurn("CREATE OR REPLACE VIEW " + v + shows)
	pg, refused := errors.AsType[*pgconn.PgError](err)
	switch {
	case refused && pg.Code == notAView:
		return fmt.Errorf("%s is a table, and no view: give the cut-over another name", view)
	case refused && pg.Code == otherColumns:
		err = inTurn("DROP VIEW IF EXISTS "+v, "CREATE VIEW "+v+shows)
	}
	if err != nil {
		return fmt.Errorf("pointing view %s to table %s: %w", view, table, err)
	}
	return nil
}
