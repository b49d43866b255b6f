// Verifies an exported ledger with golang.org/x/mod, whose authors know nothing of Hilum: the
// checkpoint's signature, the root from the entries, every tile, and tlog-proofs.
//
// On Debian (apt install golang-go golang-golang-x-mod-dev):
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run verify_export.go FOLDER VKEY [PROOF...]
//
// FOLDER holds log/checkpoint, as `hilum ledger export` writes it, or is the log's own folder. VKEY
// is the log's verifier key as you know it. x/mod reads no cosignatures and no entries: for those
// see verify_export.py beside this file. Exit code 1: something does not hold.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "verify_export: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func fail(what, format string, values ...interface{}) {
	check(fmt.Errorf(format, values...), what)
}

// open gives size and root of a signed checkpoint.
func open(text string, verifier note.Verifier) tlog.Tree {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err, "checkpoint")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("checkpoint", "not the three lines of %s", verifier.Name())
	}
	// tlog.ParseTree wants the first line of Go's own database; the other two are the same.
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1] + "\n" + lines[2] + "\n"))
	check(err, "checkpoint")
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

// readTile takes the full tile where a log that has grown has it in a partial one's place.
func readTile(log, level string, index, width int64) ([]byte, string) {
	name := path(level, index, width)
	if _, err := os.Stat(filepath.Join(log, name)); err != nil {
		name = path(level, index, 256)
	}
	data, err := os.ReadFile(filepath.Join(log, name))
	check(err, "tile")
	return data, name
}

func least(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func readEntries(log string, size int64) [][]byte {
	var entries [][]byte
	for first := int64(0); first < size; first += 256 {
		data, name := readTile(log, "entries", first/256, least(256, size-first))
		for len(data) > 0 {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				fail(name, "it is cut")
			}
			n := 2 + int(binary.BigEndian.Uint16(data))
			entries = append(entries, data[2:n])
			data = data[n:]
		}
	}
	if int64(len(entries)) < size {
		fail("bundles", "%d entries and not %d", len(entries), size)
	}
	return entries[:size]
}

// storage is x/mod's own: all hashes, in the order that it numbers them.
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

// checkTiles compares level l of the tiles with x/mod's hashes of level 8*l.
func checkTiles(log string, s storage, size int64) int {
	n := 0
	for level := 0; size>>(8*uint(level)) > 0; level++ {
		count := size >> (8 * uint(level))
		for first := int64(0); first < count; first += 256 {
			width := least(256, count-first)
			data, name := readTile(log, fmt.Sprint(level), first/256, width)
			if int64(len(data)) != 32*width && len(data) != 32*256 {
				fail(name, "%d bytes and not %d", len(data), 32*width)
			}
			for i := int64(0); i < width; i++ {
				want := s[tlog.StoredHashIndex(8*level, first+i)]
				if string(data[32*i:32*i+32]) != string(want[:]) {
					fail(name, "hash %d is not what the entries give", i)
				}
			}
			n++
		}
	}
	return n
}

// checkProof verifies a tlog-proof in its own checkpoint, and that checkpoint in this log.
func checkProof(file string, verifier note.Verifier, s storage, size int64) {
	data, err := os.ReadFile(file)
	check(err, "proof")
	parts := strings.SplitN(string(data), "\n\n", 2)
	lines := strings.Split(parts[0], "\n")
	if len(parts) < 2 || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail(file, "this is no tlog-proof")
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	check(err, file)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	check(err, file)
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		check(err, file)
		proof = append(proof, hash)
	}
	tree := open(parts[1], verifier)
	check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)), file)
	if tree.N > size {
		fail(file, "its checkpoint has %d entries, the log here %d", tree.N, size)
	}
	root, err := tlog.TreeHash(tree.N, s)
	check(err, file)
	if root != tree.Hash {
		fail(file, "its checkpoint is not of this log: a fork")
	}
	fmt.Printf("proof %s: entry %d of this log\n", file, index)
}

func main() {
	if len(os.Args) < 3 {
		fail("usage", "verify_export FOLDER VKEY [PROOF...]")
	}
	log := os.Args[1]
	for _, inner := range []string{"log", "ledger/log"} {
		if _, err := os.Stat(filepath.Join(os.Args[1], inner, "checkpoint")); err == nil {
			log = filepath.Join(os.Args[1], inner)
		}
	}
	verifier, err := note.NewVerifier(os.Args[2])
	check(err, "verifier key")
	text, err := os.ReadFile(filepath.Join(log, "checkpoint"))
	check(err, "checkpoint")
	tree := open(string(text), verifier)
	s := store(readEntries(log, tree.N))
	root, err := tlog.TreeHash(tree.N, s)
	check(err, "root")
	if root != tree.Hash {
		fail("root", "the entries give %v, the checkpoint has %v", root, tree.Hash)
	}
	tiles := checkTiles(log, s, tree.N)
	fmt.Printf("log %s, %d entries, %d tiles, root %v\n", verifier.Name(), tree.N, tiles, root)
	for _, file := range os.Args[3:] {
		checkProof(file, verifier, s, tree.N)
	}
}
