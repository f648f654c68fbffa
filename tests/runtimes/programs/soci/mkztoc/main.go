// SPDX-License-Identifier: Apache-2.0

// Makes a table of contents of a gzipped layer, by which SOCI reads single files of it.
//
//	mkztoc LAYER TABLE
//
// Prints {"digest": of the table, "size": its bytes, "span": bytes between two points of entry}.
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"

	"github.com/awslabs/soci-snapshotter/ztoc"
)

const span = 1 << 20

func main() {
	log.SetFlags(0)
	log.SetPrefix("mkztoc: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: mkztoc LAYER TABLE")
	}
	table, err := ztoc.NewBuilder("pulltrace test").BuildZtoc(os.Args[1], span)
	if err != nil {
		log.Fatal(err)
	}
	content, described, err := ztoc.Marshal(table)
	if err != nil {
		log.Fatal(err)
	}
	target, err := os.Create(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	if _, err = io.Copy(target, content); err == nil {
		err = target.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
	said := map[string]any{"digest": described.Digest, "size": described.Size, "span": span}
	if err = json.NewEncoder(os.Stdout).Encode(said); err != nil {
		log.Fatal(err)
	}
}
