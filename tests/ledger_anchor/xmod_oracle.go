// Checks a log that our sequencer wrote with golang.org/x/mod (sumdb/note, sumdb/tlog): its
// checkpoint, its root from the bundles, its tiles' hashes, and our inclusion and consistency
// proofs. Tile paths and bundles of x/mod differ from C2SP's, so only its hashing is used.
//
// Usage: GO111MODULE=off GOPATH=/usr/share/gocode go run xmod_oracle.go FOLDER
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Root  string   `json:"root"`
	Leaf  string   `json:"leaf"`
	Proof []string `json:"proof"`
}

type consistency struct {
	Old     int64    `json:"old"`
	Size    int64    `json:"size"`
	OldRoot string   `json:"old_root"`
	Root    string   `json:"root"`
	Proof   []string `json:"proof"`
}

type proofs struct {
	Vkey        string        `json:"vkey"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
	TlogProofs  []string      `json:"tlog_proofs"`
}

func check(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func hash(text string) tlog.Hash {
	h, err := tlog.ParseHash(text)
	check(err, "hash "+text)
	return h
}

func hashes(texts []string) []tlog.Hash {
	var list []tlog.Hash
	for _, text := range texts {
		list = append(list, hash(text))
	}
	return list
}

func open(text string, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err, "checkpoint")
	// tlog.ParseTree wants the first line of Go's own database; the other two are the same.
	lines := strings.SplitN(opened.Text, "\n", 2)
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1]))
	check(err, "tree of "+lines[0])
	return tree
}

// path is C2SP's: tile/<level>/<index>[.p/<width>].
func path(level string, index, width int64) string {
	name := fmt.Sprintf("%03d", index%1000)
	for index /= 1000; index > 0; index /= 1000 {
		name = fmt.Sprintf("x%03d/%s", index%1000, name)
	}
	if width < 256 {
		name += fmt.Sprintf(".p/%d", width)
	}
	return filepath.Join("tile", level, name)
}

func readEntries(folder string, size int64) [][]byte {
	var entries [][]byte
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		data, err := os.ReadFile(filepath.Join(folder, path("entries", first/256, width)))
		check(err, "bundle")
		for len(data) > 0 {
			n := int(binary.BigEndian.Uint16(data))
			entries = append(entries, data[2:2+n])
			data = data[2+n:]
		}
	}
	return entries
}

// The stored hashes of x/mod, in memory.
type storage []tlog.Hash

func (s storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var list []tlog.Hash
	for _, i := range indexes {
		list = append(list, s[i])
	}
	return list, nil
}

func store(entries [][]byte) storage {
	var s storage
	for i, entry := range entries {
		more, err := tlog.StoredHashes(int64(i), entry, s)
		check(err, "stored hashes")
		s = append(s, more...)
	}
	return s
}

// Level l of our tiles holds x/mod's hashes of level 8*l.
func checkTiles(folder string, s storage, size int64) int {
	n := 0
	for level := 0; size>>(8*uint(level)) > 0; level++ {
		count := size >> (8 * uint(level))
		for first := int64(0); first < count; first += 256 {
			width := count - first
			if width > 256 {
				width = 256
			}
			data, err := os.ReadFile(filepath.Join(folder, path(fmt.Sprint(level), first/256, width)))
			check(err, "tile")
			for i := int64(0); i < width; i++ {
				want := s[tlog.StoredHashIndex(8*level, first+i)]
				if string(data[32*i:32*i+32]) != string(want[:]) {
					check(fmt.Errorf("hash %d of level %d differs", first+i, level), "tile")
				}
			}
			n++
		}
	}
	return n
}

// The parts of a .tlog-proof: entry, index, path, checkpoint.
func checkTlogProof(text string, verifier note.Verifier) {
	parts := strings.SplitN(text, "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	check(err, "extra")
	var index int64
	_, err = fmt.Sscanf(lines[2], "index %d", &index)
	check(err, "index")
	tree := open(parts[1], verifier)
	check(tlog.CheckRecord(hashes(lines[3:]), tree.N, tree.Hash, index, tlog.RecordHash(entry)),
		fmt.Sprintf("tlog-proof of %d", index))
}

func main() {
	folder := os.Args[1]
	served := filepath.Join(folder, "ledger", "log")
	text, err := os.ReadFile(filepath.Join(folder, "proofs.json"))
	check(err, "proofs.json")
	var all proofs
	check(json.Unmarshal(text, &all), "proofs.json")
	verifier, err := note.NewVerifier(all.Vkey)
	check(err, "verifier key")
	checkpoint, err := os.ReadFile(filepath.Join(served, "checkpoint"))
	check(err, "checkpoint")
	tree := open(string(checkpoint), verifier)
	stored := store(readEntries(served, tree.N))
	root, err := tlog.TreeHash(tree.N, stored)
	check(err, "tree hash")
	if root != tree.Hash {
		check(fmt.Errorf("the bundles give %v, the checkpoint has %v", root, tree.Hash), "root")
	}
	tiles := checkTiles(served, stored, tree.N)
	for _, p := range all.Inclusion {
		check(tlog.CheckRecord(hashes(p.Proof), p.Size, hash(p.Root), p.Index, hash(p.Leaf)),
			fmt.Sprintf("inclusion of %d in %d", p.Index, p.Size))
	}
	for _, p := range all.Consistency {
		check(tlog.CheckTree(hashes(p.Proof), p.Size, hash(p.Root), p.Old, hash(p.OldRoot)),
			fmt.Sprintf("consistency of %d with %d", p.Old, p.Size))
	}
	for _, p := range all.TlogProofs {
		checkTlogProof(p, verifier)
	}
	fmt.Printf("%d entries, %d tiles, %d inclusion proofs, %d consistency proofs, %d tlog-proofs\n",
		tree.N, tiles, len(all.Inclusion), len(all.Consistency), len(all.TlogProofs))
	if len(all.Inclusion) < 100 || len(all.Consistency) < 100 || len(all.TlogProofs) < 5 {
		check(fmt.Errorf("too few proofs to mean anything"), "proofs.json")
	}
}
