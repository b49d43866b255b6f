// The peer's side of bench/peers/ledger_peer.py: golang.org/x/mod as Debian packages it (sumdb/tlog,
// sumdb/note), hashing and opening on all cores.
//
// Usage: GO111MODULE=off GOPATH=/usr/share/gocode go run xmod_peer.go log_root N
//
//	... checkpoint_open FILE VKEY
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const entryBytes = 300

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "xmod_peer:", err)
		os.Exit(1)
	}
}

// onCores calls body with a range of each core.
func onCores(n int, body func(first, last int)) {
	var group sync.WaitGroup
	cores := runtime.GOMAXPROCS(0)
	for core := 0; core < cores; core++ {
		group.Add(1)
		go func(first, last int) {
			defer group.Done()
			body(first, last)
		}(n*core/cores, n*(core+1)/cores)
	}
	group.Wait()
}

func makeEntries(n int) [][]byte {
	entries := make([][]byte, n)
	for i := range entries {
		entries[i] = []byte(strings.Repeat("x", entryBytes))
		copy(entries[i], strconv.Itoa(i))
	}
	return entries
}

func logRoot(entries [][]byte) string {
	leaves := make([]tlog.Hash, len(entries))
	onCores(len(entries), func(first, last int) {
		for i := first; i < last; i++ {
			leaves[i] = tlog.RecordHash(entries[i])
		}
	})
	stored := make([]tlog.Hash, 0, tlog.StoredHashCount(int64(len(entries))))
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			list[i] = stored[index]
		}
		return list, nil
	})
	for i, leaf := range leaves {
		hashes, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
		check(err)
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(int64(len(entries)), reader)
	check(err)
	return hex.EncodeToString(root[:])
}

func readNotes(file string) [][]byte {
	all, err := os.ReadFile(file)
	check(err)
	var notes [][]byte
	for len(all) >= 4 {
		length := binary.BigEndian.Uint32(all)
		notes = append(notes, all[4:4+length])
		all = all[4+length:]
	}
	return notes
}

func openAll(notes [][]byte, verifiers note.Verifiers) string {
	var good int64
	onCores(len(notes), func(first, last int) {
		for i := first; i < last; i++ {
			if opened, err := note.Open(notes[i], verifiers); err == nil && len(opened.Sigs) == 1 {
				atomic.AddInt64(&good, 1)
			}
		}
	})
	return fmt.Sprint(good, " opened")
}

func main() {
	var work func() string
	switch os.Args[1] {
	case "log_root":
		n, err := strconv.Atoi(os.Args[2])
		check(err)
		entries := makeEntries(n)
		work = func() string { return logRoot(entries) }
	case "checkpoint_open":
		verifier, err := note.NewVerifier(os.Args[3])
		check(err)
		notes, verifiers := readNotes(os.Args[2]), note.VerifierList(verifier)
		work = func() string { return openAll(notes, verifiers) }
	}
	fmt.Println("ready")
	result := ""
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "result" {
			fmt.Println(result)
			continue
		}
		start := time.Now()
		result = work()
		fmt.Printf("%.9f\n", time.Since(start).Seconds())
	}
}
