package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	isc = `Copyright (c) 2026 Somebody

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`
	agpl = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU Affero General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.

This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU Affero General Public License for more details.

You should have received a copy of the GNU Affero General Public License along with this program. If not, see <https://www.gnu.org/licenses/>.
`
	commons = `"Commons Clause" License Condition v1.0

The Software is provided to you by the Licensor under the License, as defined below, subject to the following condition. Without limiting other conditions in the License, the grant of rights under the License will not include, and the License does not grant to you, the right to Sell the Software. For purposes of the foregoing, "Sell" means practicing any or all of the rights granted to you under the License to provide to third parties, for a fee or other consideration, a product or service that consists, entirely or substantially, of the Software or the functionality of the Software. Any license notice or attribution required by the License must also include this Commons Cause License Condition notice.

`
)

func TestALicenceThatMayNotBeLinkedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string // the licences, or what is wrong
	}{
		"one that may be":           {map[string]string{"LICENSE": isc}, "ISC"},
		"one that may not be":       {map[string]string{"LICENSE": agpl}, "LICENSE is AGPL-3.0-or-later, which is none of Apache-2.0, "},
		"both, in files":            {map[string]string{"COPYING": agpl, "LICENSE.txt": isc}, "COPYING is AGPL-3.0-or-later"},
		"a condition beside it":     {map[string]string{"LICENSE": commons + isc}, "LICENSE is CommonsClause"},
		"no text":                   {map[string]string{"README": isc}, errNone.Error()},
		"a text that nobody knows":  {map[string]string{"LICENSE": "Do as you are told."}, errNone.Error()},
		"what only looks like text": {map[string]string{"licence.go": isc}, errNone.Error()},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ids, err := licences(dir)
		if said := strings.Join(ids, ", "); err == nil && said != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v, want %s", name, said, err, c.want)
		}
		var table strings.Builder
		listed := writeTable(&table, []module{{Path: "example.org/m", Version: "v1.0.0", Dir: dir}})
		if (listed != nil) != (err != nil) || strings.Contains(table.String(), "example.org/m") != (err == nil) {
			t.Errorf("%s: the table ends with %v after\n%s", name, listed, table.String())
		}
		if err != nil && !strings.Contains(listed.Error(), "example.org/m v1.0.0: ") {
			t.Errorf("%s: %v does not say which module", name, listed)
		}
	}
}
