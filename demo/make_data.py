#!/usr/bin/env python3
"""Builds demo/data: real chest films as DICOM, with invented headers and FHIR consents.

  python3 demo/make_data.py SOURCE [OUT]        OUT: demo/data beside this file

SOURCE holds manifest.csv (columns path, label, orig_label, patient_id, view, sex, age, site,
source_file, licence, commercial_use, attribution, split, kind) and the JPEG films it names.
OUT is written anew (README.md says what is in it), and a summary in Markdown is printed.

The same SOURCE gives the same bytes: every choice is a sort by a SHA-256 of a fixed salt and
an id, and UIDs are version 5 UUIDs. Bytes were checked with pydicom 3.0.2, pyjpegls 1.5.1,
numpy 2.4.6, Pillow 13.0.0 and DCMTK 3.6.7 (`dcmcjpeg` must be on the path).

  pip install pydicom pyjpegls numpy pillow && apt-get install dcmtk
"""
import collections
import csv
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import uuid

import numpy as np
import pydicom
import pydicom.uid as uid
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame

SALT = "hilum-demo-1"
MAX_SIDE = 256
CLASSES = ("normal", "pneumonia")

# Site -> letter of its patient ids, and films as {source: (normal, pneumonia)}.
# Three hospitals see children, the institute and two hospitals see adults, each with its own mix of
# normal and pneumonia: no site has what the others have, and the test set has all of it. Over all
# sites each source is balanced: knowing the source says nothing about the label.
SITES = {
    "hospital-a": ("A", {"gwcmc": (36, 12)}),
    "hospital-b": ("B", {"gwcmc": (12, 34)}),
    "research-institute": ("R", {"nih": (10, 22)}),
    "hospital-c": ("C", {"gwcmc": (16, 18)}),
    "hospital-d": ("D", {"nih": (21, 10)}),
    "hospital-e": ("E", {"nih": (14, 13)}),
}
TEST_FILMS = {"gwcmc": 39, "nih": 22}     # of each class
REVOKING_SITE = "hospital-b"
TWO_FILM_QUOTA = 8        # from this many films of a class on, one patient has two of them
MIN_HASH_DISTANCE = 60    # of 255 bits; different patients have a median of 120

# Encodings, dealt out in this order to the films of each class of each source, so that the
# encoding says nothing about the label. `m1` marks 12-bit MONOCHROME1.
DEAL = (
    "jpegls jpeg explicit jpeg lossless jpeg m1-lossless jpeg jpegls jpeg rle lossless jpeg "
    "jpegls m1-explicit jpeg implicit jpegls jpeg deflated lossless jpeg m1-jpegls jpeg jpegls "
    "jpeg lossless"
).split()
SYNTAX = {
    "explicit": uid.ExplicitVRLittleEndian,
    "implicit": uid.ImplicitVRLittleEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "rle": uid.RLELossless,
    "jpeg": uid.JPEGBaseline8Bit,
    "lossless": uid.JPEGLosslessSV1,
    "jpegls": uid.JPEGLSLossless,
}
JPEG_QUALITY = 92
VIEW_CODE = {"AP": ("399348003", "antero-posterior"), "PA": ("272479007", "postero-anterior")}

Film = collections.namedtuple("Film", "row site patient number encoding dx")


def order(*parts):
    """A fixed pseudo-random sort key: SHA-256 of the salt and the parts."""
    return hashlib.sha256("/".join((SALT, *map(str, parts))).encode()).hexdigest()


def make_uid(*parts):
    """A UID below 2.25, the same for the same parts."""
    return "2.25.%d" % uuid.uuid5(uuid.NAMESPACE_OID, "/".join((SALT, *map(str, parts)))).int


# ---- Choice of films -----------------------------------------------------------------------


def person(row):
    """Who a film shows. Guangzhou's IM-n and NORMAL2-IM-n may be one child: one person here."""
    return row["patient_id"].replace("NORMAL2-", "")


def read_candidates(source):
    """Permissive frontal films of both classes; nobody who has films of both classes.

    Of the NIH films only PA views (there AP means bedside, and so tells about the label) and
    only adults (a few NIH patients are younger), as the children are the other source.
    """
    with open(source / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file)
                if r["kind"] == "cxr" and r["site"] in TEST_FILMS
                and r["label"] in CLASSES and r["commercial_use"] == "yes"]
    seen = collections.defaultdict(set)
    for row in rows:
        seen[person(row)].update((row["label"], row["split"]))
    return [r for r in rows if len(seen[person(r)]) == 2
            and (r["site"] != "nih" or r["view"] == "PA" and float(r["age"]) >= 18)]


def perceptual_hash(path):
    """255 bits: signs of the low DCT coefficients of the film at 64 x 64, about the median."""
    grey = Image.open(path).convert("L").resize((64, 64), Image.Resampling.BOX)
    k = np.arange(64)
    basis = np.cos(np.pi * (2 * k[None] + 1) * k[:16, None] / 128)
    low = (basis @ np.asarray(grey, float) @ basis.T).ravel()[1:]
    return low > np.median(low)


def by_patient(rows, source, label):
    """Films of one class of one source, one list a person, best first.

    NIH pneumonia: fewest other findings first. Else the order is the hash of the person.
    """
    groups = collections.defaultdict(list)
    for row in rows:
        if (row["site"], row["label"]) == (source, label):
            groups[person(row)].append(row)
    for films in groups.values():
        films.sort(key=lambda r: (r["orig_label"].count("|"), order(r["path"])))
    return sorted(groups.values(),
                  key=lambda films: (films[0]["orig_label"].count("|"), order(person(films[0]))))


def take_pair(rows, source, n):
    """The first n people of each class; those with pneumonia of the sexes of the normals."""
    normal, pneumonia = (by_patient(rows, source, label) for label in CLASSES)
    left = collections.Counter(films[0]["sex"] for films in normal[:n])
    chosen = []
    for films in pneumonia:
        left[films[0]["sex"]] -= 1
        if left[films[0]["sex"]] >= 0:
            chosen.append(films)
    if len(normal) < n or len(chosen) < n:
        raise SystemExit(f"{source}: {n} patients of each class wanted, too few found")
    return normal[:n], chosen


def choose_test(rows):
    """The test films: one a person, all from the source's own test split."""
    rows = [r for r in rows if r["split"] == "test"]
    return [films[0] for source, n in TEST_FILMS.items()
            for people in take_pair(rows, source, n) for films in people]


def choose_sites(rows, test, source_dir):
    """Site -> its training films; drops films that look like a test film."""
    test_hashes = np.array([perceptual_hash(source_dir / r["path"]) for r in test])
    train = []
    for row in (r for r in rows if r["split"] == "train"):
        bits = perceptual_hash(source_dir / row["path"])
        nearest = int((test_hashes != bits).sum(axis=1).min())
        if nearest >= MIN_HASH_DISTANCE:
            train.append(row)
        else:
            print(f"left out, {nearest} bits from a test film: {row['path']}", file=sys.stderr)
    pools = {}
    for source in TEST_FILMS:           # what all sites need, then shuffled over the sites
        need = max(map(sum, zip(*(q.get(source, (0, 0)) for _, q in SITES.values()))))
        for label, people in zip(CLASSES, take_pair(train, source, need)):
            pools[source, label] = sorted(people, key=lambda p: order("deal", person(p[0])))
    chosen = {}
    for site, (_, quotas) in SITES.items():
        chosen[site] = []
        for source, quota in quotas.items():
            for label, n in zip(CLASSES, quota):
                chosen[site] += fill(pools[source, label], n)
    return chosen


def fill(pool, n):
    """Takes n films off the pool: one a person, once two if n is large enough."""
    films = []
    if n >= TWO_FILM_QUOTA:
        double = next((i for i, p in enumerate(pool) if len(p) > 1), None)
        if double is not None:
            films += pool.pop(double)[:2]
    while len(films) < n:
        films.append(pool.pop(0)[0])
    return films


def number_films(place, letter, rows):
    """Gives patients their invented ids, in an order that says nothing about the label."""
    people = sorted({person(r) for r in rows}, key=lambda p: order("number", p))
    ids = {p: f"DEMO-{letter}-{i:04d}" for i, p in enumerate(people, 1)}
    films, count = [], collections.Counter()
    for row in sorted(rows, key=lambda r: (ids[person(r)], order(r["path"]))):
        count[person(row)] += 1
        films.append(Film(row, place, ids[person(row)], count[person(row)], "", False))
    return films


def deal_encodings(films):
    """Deals encodings and the two object types, apart for each class of each source."""
    dealt, turn = [], collections.Counter()
    for film in films:
        key = (film.row["site"], film.row["label"])
        i = turn[key]
        turn[key] += 1
        dealt.append(film._replace(encoding=DEAL[i % len(DEAL)], dx=i // len(DEAL) % 2 == i % 2))
    return dealt


# ---- DICOM ---------------------------------------------------------------------------------


def read_grey(path):
    """The film as float grey 0...255, at most MAX_SIDE on its longer side (area mean)."""
    image = Image.open(path).convert("L")
    scale = MAX_SIDE / max(image.size)
    if scale < 1:
        size = tuple(max(1, round(side * scale)) for side in image.size)
        image = image.convert("F").resize(size, Image.Resampling.BOX)
    return np.clip(np.asarray(image, np.float64), 0, 255)


def code(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def patient_and_study(ds, film):
    row = film.row
    ds.PatientID = film.patient
    ds.PatientName = f"SYNTHETIC^{film.patient}"
    ds.IssuerOfPatientID = "HILUM-DEMO"
    ds.PatientBirthDate = ""
    ds.PatientSex = row["sex"]          # empty for the children: not known
    if row["site"] == "gwcmc":
        ds.PatientAge = "003Y"          # stands in for the source's "1-5 years"
    else:
        ds.PatientAge = "%03dY" % int(float(row["age"]))
    ds.PatientComments = "Invented header. Not a real patient record. Research use only."
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Public research image; names, ids and dates invented"
    ds.StudyInstanceUID = make_uid("study", film.patient, film.number)
    ds.StudyID = str(film.number)
    ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Chest X-ray (demo)"


def series_and_equipment(ds, film):
    ds.SeriesInstanceUID = make_uid("series", film.patient, film.number)
    ds.SeriesNumber = ds.InstanceNumber = 1
    ds.Modality = "DX" if film.dx else "CR"
    ds.SOPClassUID = (uid.DigitalXRayImageStorageForPresentation if film.dx
                      else uid.ComputedRadiographyImageStorage)
    ds.SOPInstanceUID = make_uid("image", film.patient, film.number)
    ds.Manufacturer = "SYNTHETIC"
    ds.InstitutionName = f"Synthetic {film.site}"
    ds.BodyPartExamined = "CHEST"
    ds.ViewPosition = film.row["view"]
    ds.PatientOrientation = ["L", "F"]
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.BurnedInAnnotation = "NO"
    ds.AcquisitionDate = ds.AcquisitionTime = ""
    if not film.dx:
        return
    ds.ImageType = ["DERIVED", "PRIMARY", ""]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ContentDate = ds.ContentTime = ds.PositionerType = ds.DetectorType = ""
    ds.ImageLaterality = "U"
    ds.ImagerPixelSpacing = [1.0, 1.0]  # required in DX; invented, measures nothing
    ds.PixelIntensityRelationship = "LOG"
    ds.AnatomicRegionSequence = [code("816094009", "Chest")]
    ds.ViewCodeSequence = [code(*VIEW_CODE[film.row["view"]])]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.AcquisitionContextSequence = []


def store_grey(ds, grey, film):
    """Sets the image description and returns the words to store.

    8-bit MONOCHROME2: the grey itself. 12-bit MONOCHROME1: 4095 - grey * 4095 / 255, which the
    window (centre 2048, width 4096) and the one inversion turn into the same grey again.
    """
    twelve = film.encoding.startswith("m1-")
    ds.Rows, ds.Columns = grey.shape
    ds.SamplesPerPixel = 1
    ds.PixelRepresentation = 0
    ds.PhotometricInterpretation = "MONOCHROME1" if twelve else "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored = (16, 12) if twelve else (8, 8)
    ds.HighBit = ds.BitsStored - 1
    ds.WindowCenter, ds.WindowWidth = (2048, 4096) if twelve else (128, 256)
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    if film.dx:
        ds.PresentationLUTShape = "INVERSE" if twelve else "IDENTITY"
        ds.PixelIntensityRelationshipSign = 1 if twelve else -1
    if twelve:
        return (4095 - np.floor(grey * 4095 / 255 + 0.5)).astype("<u2")
    return np.floor(grey + 0.5).astype(np.uint8)


def mark_lossy(ds, film, source_path, jpeg_bytes):
    """The source is a JPEG already, so every film is lossy; a second JPEG adds a second step."""
    width, height = Image.open(source_path).size
    ratios = [width * height / source_path.stat().st_size]
    if jpeg_bytes:
        ratios.append(ds.Rows * ds.Columns / jpeg_bytes)
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionRatio = ["%.2f" % r for r in ratios]
    ds.LossyImageCompressionMethod = ["ISO_10918_1"] * len(ratios)
    ds.DerivationDescription = (f"Public 8-bit JPEG of {film.row['site']}, area mean to at most "
                                f"{MAX_SIDE} pixels; header invented")


def set_pixels(ds, words, source_path, film):
    """Puts the words into the data set, native or as one compressed frame."""
    name = film.encoding.removeprefix("m1-")
    ds.file_meta.TransferSyntaxUID = SYNTAX["explicit"]
    ds.PixelData = words.tobytes() + b"\0" * (words.nbytes % 2)
    ds["PixelData"].VR = "OW" if words.itemsize == 2 else "OB"
    jpeg_bytes = 0
    if name in ("explicit", "implicit", "deflated"):
        ds.file_meta.TransferSyntaxUID = SYNTAX[name]
        if name == "implicit":
            ds["PixelData"].VR = "OW"
    elif name in ("rle", "jpegls"):
        ds.compress(SYNTAX[name], generate_instance_uid=False)
    else:
        frame = encode_jpeg(words) if name == "jpeg" else encode_lossless(ds)
        jpeg_bytes = len(frame) if name == "jpeg" else 0
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = SYNTAX[name]
    mark_lossy(ds, film, source_path, jpeg_bytes)


def encode_jpeg(words):
    buffer = io.BytesIO()
    Image.fromarray(words).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def encode_lossless(ds):
    """The frame as JPEG lossless, first-order prediction, by DCMTK's encoder."""
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = pathlib.Path(folder) / "plain.dcm", pathlib.Path(folder) / "packed.dcm"
        ds.save_as(plain, enforce_file_format=True)
        subprocess.run(["dcmcjpeg", "+e1", plain, packed], check=True)
        return get_frame(pydicom.dcmread(packed).PixelData, 0, number_of_frames=1)


def make_dicom(film, source_path):
    """The film as one DICOM file, in memory."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    patient_and_study(ds, film)
    series_and_equipment(ds, film)
    words = store_grey(ds, read_grey(source_path), film)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationClassUID = make_uid("make_data")
    ds.file_meta.ImplementationVersionName = "HILUM_DEMO_1"
    set_pixels(ds, words, source_path, film)
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


# ---- FHIR ----------------------------------------------------------------------------------

FHIR = "http://terminology.hl7.org/CodeSystem/"


def concept(system, value):
    return {"coding": [{"system": FHIR + system, "code": value}]}


def make_consent(patient, site, revoked=False):
    """A minimal FHIR R4 Consent of an invented patient, or its later revocation."""
    return {
        "resourceType": "Consent",
        "id": patient,
        "meta": {"versionId": "2" if revoked else "1"},
        "status": "inactive" if revoked else "active",
        "scope": concept("consentscope", "research"),
        "category": [concept("consentcategorycodes", "research")],
        "patient": {"reference": f"Patient/{patient}",
                    "identifier": {"system": "urn:hilum:demo:patient", "value": patient}},
        "dateTime": "2025-06-16T09:00:00Z" if revoked else "2025-02-03T09:00:00Z",
        "organization": [{"display": f"Synthetic {site}"}],
        "policyRule": concept("v3-ActCode", "OPTOUT" if revoked else "OPTIN"),
        "provision": {
            "type": "deny" if revoked else "permit",
            "period": {"start": "2025-06-16" if revoked else "2025-02-03", "end": "2045-12-31"},
            "action": [concept("consentaction", "access"), concept("consentaction", "use")],
            "purpose": [{"system": FHIR + "v3-ActReason", "code": "HRESCH"}],
        },
    }


def write_consent(folder, patient, site, revoked=False):
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(make_consent(patient, site, revoked), indent=1) + "\n"
    (folder / f"{patient}.json").write_text(text, encoding="utf-8")


# ---- Output --------------------------------------------------------------------------------

COLUMNS = ("path site split label source patient licence attribution sha256 transfer_syntax "
           "bits photometric modality view source_patient source_file").split()


def write_films(films, source, out):
    """Writes films, labels and consents of one site or of the test set; gives manifest rows."""
    test = films[0].site == "test"
    folder = out / "test" if test else out / "sites" / films[0].site
    (folder / "films").mkdir(parents=True)
    rows = []
    for film in films:
        data = make_dicom(film, source / film.row["path"])
        path = folder / "films" / f"{film.patient}_{film.number}.dcm"
        path.write_bytes(data)
        twelve = film.encoding.startswith("m1-")
        rows.append(dict(zip(COLUMNS, (
            path.relative_to(out).as_posix(), film.site, "test" if test else "train",
            film.row["label"], film.row["site"], film.patient, film.row["licence"],
            film.row["attribution"], hashlib.sha256(data).hexdigest(),
            str(SYNTAX[film.encoding.removeprefix("m1-")]), 12 if twelve else 8,
            "MONOCHROME1" if twelve else "MONOCHROME2", "DX" if film.dx else "CR",
            film.row["view"], film.row["patient_id"], film.row["source_file"]))))
        if not test:
            write_consent(folder / "consent", film.patient, film.site)
    write_csv(folder / "labels.csv", ("file", "label", "source"),
              [{"file": pathlib.PurePosixPath(r["path"]).name, "label": r["label"],
                "source": r["source"]} for r in rows])
    return rows


def write_csv(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def revoke_one(rows, out):
    """The revocation of the first patient with two films of REVOKING_SITE."""
    count = collections.Counter(r["patient"] for r in rows if r["site"] == REVOKING_SITE)
    patient = min(p for p, n in count.items() if n == 2)
    write_consent(out / "revocation" / REVOKING_SITE / "consent", patient, REVOKING_SITE, True)
    return patient


def print_summary(rows, revoked, out):
    print("| place | films | normal | pneumonia | gwcmc n / p | nih n / p | patients | KB |")
    print("|---|---|---|---|---|---|---|---|")
    for place in (*SITES, "test"):
        here = [r for r in rows if r["site"] == place]
        count = collections.Counter((r["source"], r["label"]) for r in here)
        label = collections.Counter(r["label"] for r in here)
        size = sum((out / r["path"]).stat().st_size for r in here) // 1000
        pairs = [f"{count[s, 'normal']} / {count[s, 'pneumonia']}" for s in TEST_FILMS]
        print(f"| {place} | {len(here)} | {label['normal']} | {label['pneumonia']} | "
              f"{' | '.join(pairs)} | {len({r['patient'] for r in here})} | {size} |")
    print("\n| transfer syntax | bits | films |\n|---|---|---|")
    kinds = collections.Counter((r["transfer_syntax"], r["bits"], r["photometric"]) for r in rows)
    for (syntax, bits, photometric), n in sorted(kinds.items(), key=lambda k: (k[0][1], k[0])):
        print(f"| {uid.UID(syntax).name} ({syntax}) | {bits}, {photometric} | {n} |")
    total = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    print(f"\n{len(rows)} films, {total} bytes in all. Revoked: {revoked} of {REVOKING_SITE}.")


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    here = pathlib.Path(__file__).resolve().parent
    source, out = map(pathlib.Path, (*sys.argv[1:], here / "data")[:2])
    candidates = read_candidates(source)
    test = choose_test(candidates)
    places = choose_sites(candidates, test, source)
    films = [f for site, rows in places.items() for f in number_films(site, SITES[site][0], rows)]
    films = deal_encodings(films + number_films("test", "T", test))
    shutil.rmtree(out, ignore_errors=True)
    rows = [row for place in (*SITES, "test")
            for row in write_films([f for f in films if f.site == place], source, out)]
    write_csv(out / "manifest.csv", COLUMNS, rows)
    print_summary(rows, revoke_one(rows, out), out)


if __name__ == "__main__":
    main()
