package config

// Config is everything that a worker or a backfill is told.
type Config struct {
	Log       Log            `yaml:"log" doc:"what is written to standard error"`
	Telemetry Telemetry      `yaml:"telemetry" doc:"metrics and traces"`
	Runtime   Runtime        `yaml:"runtime" doc:"ONNX Runtime and the cache of compiled graphs"`
	Kafka     Kafka          `yaml:"kafka" doc:"the brokers that references are read from"`
	S3        S3             `yaml:"s3" doc:"the object store that objects are fetched from and output is written to"`
	Fetch     Fetch          `yaml:"fetch" doc:"what references may reach, and how"`
	Catalog   IcebergCatalog `yaml:"catalog" doc:"the Iceberg catalog of the tables that backfill reads (--source iceberg://namespace.name); empty means that of the first output that is a table of one"`
	Pipelines []Pipeline     `yaml:"pipelines" doc:"one entry per model: references in, rows out; each is a consumer group of its own"`
}

// Log says what is written to standard error.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"text or json"`
}

// Runtime says how models are run.
type Runtime struct {
	Library  string  `yaml:"library" doc:"path of libonnxruntime; empty looks beside the binary and in the cache (make ort)"`
	CacheDir string  `yaml:"cache_dir" doc:"directory of compiled graphs and of models fetched from s3://; empty means the user's cache directory"`
	Price    float64 `yaml:"price_per_hour" doc:"what an hour of this machine costs, in any currency: totals and metrics then say what a million rows cost; 0 means that it is not told"`
}

// Kafka is the cluster that references come from.
type Kafka struct {
	Brokers          []string `yaml:"brokers" doc:"host:port of one or more brokers"`
	ClientID         string   `yaml:"client_id" doc:"name under which the broker logs this client"`
	TLS              TLS      `yaml:"tls" doc:"encryption of the connections"`
	SASL             SASL     `yaml:"sasl" doc:"authentication"`
	SessionTimeout   Duration `yaml:"session_timeout" doc:"the broker takes a silent member's partitions away after this long"`
	RebalanceTimeout Duration `yaml:"rebalance_timeout" doc:"how long the broker waits for members to drain at a rebalance; at least 8 s above drain_timeout"`
	DrainTimeout     Duration `yaml:"drain_timeout" doc:"how long work in flight may take to be finished and committed at a rebalance or at shutdown"`
	FetchMaxBytes    Bytes    `yaml:"fetch_max_bytes" doc:"most bytes of references that one request to a partition returns"`
	FetchMaxWait     Duration `yaml:"fetch_max_wait" doc:"how long the broker may hold a request when there is nothing to read"`
}

// TLS is the encryption of connections to Kafka.
type TLS struct {
	Enabled  bool   `yaml:"enabled" doc:"use TLS"`
	CAFile   string `yaml:"ca_file" doc:"PEM file of the authorities to trust; empty means the system's"`
	CertFile string `yaml:"cert_file" doc:"PEM file of the client's certificate"`
	KeyFile  string `yaml:"key_file" doc:"PEM file of the client's key"`

	ServerName string `yaml:"server_name" doc:"name that the brokers' certificates are checked for; empty means the host that is dialled"`
}

// SASL is the authentication to Kafka.
type SASL struct {
	Mechanism    string `yaml:"mechanism" doc:"plain, scram-sha-256, scram-sha-512 or oauthbearer; empty means none"`
	Username     string `yaml:"username" doc:"user of plain and scram"`
	Password     Secret `yaml:"password" doc:"password; prefer password_file or the environment"`
	PasswordFile string `yaml:"password_file" doc:"file that holds the password"`
	OAuth        OAuth  `yaml:"oauth" doc:"where the token of oauthbearer comes from: token, token_file or token_url"`
}

// OAuth is where the bearer token for Kafka comes from: one of Token, TokenFile and TokenURL.
type OAuth struct {
	Token            Secret `yaml:"token" doc:"the token itself; prefer token_file"`
	TokenFile        string `yaml:"token_file" doc:"file that holds the token; read again for every connection, so that it may be renewed"`
	TokenURL         string `yaml:"token_url" doc:"https:// endpoint that gives tokens for client credentials (OAuth 2.0)"`
	ClientID         string `yaml:"client_id" doc:"client of token_url"`
	ClientSecret     Secret `yaml:"client_secret" doc:"its secret; prefer client_secret_file or the environment"`
	ClientSecretFile string `yaml:"client_secret_file" doc:"file that holds the secret"`
	Scope            string `yaml:"scope" doc:"scopes to ask token_url for, separated by spaces"`
	CAFile           string `yaml:"ca_file" doc:"PEM file of the authorities to trust for token_url; empty means the system's"`
}

// S3 is the object store.
type S3 struct {
	Endpoint      string `yaml:"endpoint" doc:"URL of the store, such as https://s3.eu-central-1.amazonaws.com or http://127.0.0.1:9000; empty means AWS"`
	Region        string `yaml:"region" doc:"region to sign for"`
	AccessKey     string `yaml:"access_key" doc:"access key; empty looks in the AWS environment variables and files, and for the role of the pod, task or machine"`
	SecretKey     Secret `yaml:"secret_key" doc:"secret key; prefer secret_key_file or the environment"`
	SecretKeyFile string `yaml:"secret_key_file" doc:"file that holds the secret key"`
	CAFile        string `yaml:"ca_file" doc:"PEM file of the authorities to trust; empty means the system's"`
	PathStyle     bool   `yaml:"path_style" doc:"address buckets as a path (most stores other than AWS) instead of a host name"`
}

// Fetch is what references may reach.
type Fetch struct {
	Buckets        []string `yaml:"buckets" doc:"bucket or bucket/prefix that s3:// references may name; * allows all"`
	Hosts          []string `yaml:"hosts" doc:"hosts that https:// references may name; none by default"`
	PrivateHosts   bool     `yaml:"private_hosts" doc:"let hosts resolve to private, loopback and link-local addresses"`
	FileRoots      []string `yaml:"file_roots" doc:"directories that file:// references may reach, symbolic links resolved; none by default"`
	MaxObjectBytes Bytes    `yaml:"max_object_bytes" doc:"larger objects are dead letters (too-large)"`
	Timeout        Duration `yaml:"timeout" doc:"for one attempt without any progress"`
	Attempts       int      `yaml:"attempts" doc:"tries before a transient fault becomes a dead letter (fetch-failed); while the store as a whole is away or throttles (no connection, 429, 502 to 504) it is asked for some two minutes; one that is not reached for so long ends the worker"`
}

// Pipeline is one model with its source and its outputs.
type Pipeline struct {
	Name           string      `yaml:"name" doc:"identity of the pipeline: part of the output's path; a new name starts a new chain of output"`
	Topics         []string    `yaml:"topics" doc:"topics to read references from"`
	Priority       []string    `yaml:"priority" doc:"of topics: those whose records go before the others', the first first; what comes behind lives on what they leave, and gets every 16th free slot while they leave none. Records of the first topic have fetchers, decoders and batches of their own, too"`
	Input          Input       `yaml:"input" doc:"what the records are, and how references are read from them"`
	Where          string      `yaml:"where" doc:"CEL over ref (id, uri, modality, route, etag, version, content_type, attributes, inline, size, question, choices, text_pair), key, headers, topic and timestamp: the pipeline takes the references for which it is true; empty means all of its modality and route. Tombstones are not asked about"`
	Group          string      `yaml:"group" doc:"consumer group; empty means vecmill- and the name"`
	StartAt        string      `yaml:"start_at" doc:"where a partition without output and without committed offset begins: first or last. One that is added to a topic after the group has begun with it begins at its first record either way"`
	Model          Model       `yaml:"model" doc:"the checkpoint and how it runs"`
	Audio          Audio       `yaml:"audio" doc:"for audio models"`
	Text           Text        `yaml:"text" doc:"for text models"`
	Image          Image       `yaml:"image" doc:"for image models"`
	Heads          []Head      `yaml:"heads" doc:"what to make of the model's output; each gives one row per window"`
	Batch          Batch       `yaml:"batch" doc:"micro-batches; zero values mean the modality's defaults"`
	MemoryBudget   Bytes       `yaml:"memory_budget" doc:"bytes of fetched, decoded and computed data in flight"`
	ReuseResults   Bytes       `yaml:"reuse_results" doc:"bytes of results that are kept, beside memory_budget, the latest used ones: an object whose bytes have been computed under another name gets the same results, and is not computed again; 0 computes each"`
	ReuseOutputs   bool        `yaml:"reuse_outputs" doc:"with reuse_results: what has been computed of an object's bytes under another name, by any process before this one started, is read from a required output and not computed again: from the first that is Parquet files, else an Iceberg table, else Arrow streams, which are read whole at the start. 20 bytes of memory for each content of that output at most, beside Go's heap, and for its row groups a quarter of memory_budget, 96MiB at least and 256MiB at most; it is read at the start"`
	MaxInFlight    int         `yaml:"max_in_flight" doc:"records in flight"`
	Fetchers       int         `yaml:"fetchers" doc:"objects fetched at once"`
	Preprocessors  int         `yaml:"preprocessors" doc:"objects decoded at once; 0 means as many as keep up with the sessions, by the time that both have been seen to take, and one per core at most"`
	ItemDeadline   Duration    `yaml:"item_deadline" doc:"a record whose decoding takes longer (of a recording that is taken apart, from one window to the next) is a dead letter; a decoder that still does not stop after as long again is given up, with its goroutine and what it holds, and another worker takes its place"`
	CommitInterval Duration    `yaml:"commit_interval" doc:"how often durable offsets are committed"`
	Outputs        []Output    `yaml:"outputs" doc:"where rows go; each has its own progress"`
	DeadLetters    DeadLetters `yaml:"dead_letters" doc:"where records go that can never give a row; without it such a record stops the pipeline"`
	Breaker        Breaker     `yaml:"breaker" doc:"stops the pipeline when failures are the system's and not the data's"`
}

// Model is a checkpoint and how it runs.
type Model struct {
	Path      string `yaml:"path" doc:"checkpoint directory: config.json with weights (model.safetensors, pytorch_model.bin, tf_model.h5) or model.onnx; or hf://owner/name[@revision] (HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE count) or s3://bucket/prefix, fetched at start"`
	Name      string `yaml:"name" doc:"name in the rows; empty means the directory's or the repository's name"`
	Digest    string `yaml:"digest" doc:"if set, the checkpoint must have exactly this digest (64 hex digits over its configuration, labels and weights), or the worker does not start; the refusal names the digest that it has"`
	Precision string `yaml:"precision" doc:"arithmetic of the encoder's products: fp32; fp16: half precision, for GPUs (a CPU computes it in fp32, slower, with the rounding); or int8: whole numbers, rounded row by row, two to three times as fast on processors with instructions for them, with slightly other values (worker predict --compare-precision shows them on a sample of yours); or auto: fp32 on a CPU; on GPUs fp16 if it gives the reference vectors that go with the binary there, else fp32, which the log says. Part of the model's digest in the rows"`
	Provider  string `yaml:"provider" doc:"what computes: cpu; cuda; or tensorrt (experimental), which leaves to cuda what it does not take. The GPU providers need the GPU build of ONNX Runtime (docs/models.md), and none stands in for another: what cannot be had stops the start"`
	Devices   []int  `yaml:"devices" doc:"GPUs by number, each with sessions of its own; empty means the first"`
	GPU       GPU    `yaml:"gpu" doc:"of providers cuda and tensorrt"`
	Threads   int    `yaml:"threads" doc:"threads of one session; 0 divides the cores among the sessions, and is one with callers"`
	Sessions  int    `yaml:"sessions" doc:"sessions of each device that run batches beside each other; 0 means one on GPUs, and on a CPU as many as worker doctor has measured to be best for this model on this machine, one where it has measured nothing"`
	Callers   int    `yaml:"callers" doc:"batches that each session computes at once, on a CPU; 0 means one where sessions, threads or batch.latency are given, else as worker doctor has measured (on up to 8 cores), and where it has measured nothing as many as there are cores, of one thread each, on up to 4 cores"`
}

// Audio is how long recordings are treated.
type Audio struct {
	MaxSeconds    float64 `yaml:"max_seconds" doc:"longest recording that is taken as one window"`
	Long          string  `yaml:"long" doc:"what to do with longer ones: fail, truncate, window (consecutive windows, a row each), speech (stretches of speech between silences, a row each with its times; at most window_seconds, found by their energy over the noise) or overlap (windows that share context, as the reference's pipelines with chunk_length_s: transcripts and frames are joined into one row, other heads give one for each window)"`
	WindowSeconds float64 `yaml:"window_seconds" doc:"length of a window when long is window, longest stretch when it is speech, and length of every window when it is overlap; silence means 20, or max_seconds if that is less"`
	StrideSeconds float64 `yaml:"stride_seconds" doc:"overlap: context on each side of a window; 0 means a sixth of window_seconds"`
	Decoder       string  `yaml:"decoder" doc:"what reads the formats that are not built in (MP4 and AAC, AMR, AIFF and others): builtin refuses them by name, ffmpeg starts the system's program for each such object, without network or files, within item_deadline; WAV, FLAC, MP3, Vorbis and Opus are always built in"`
	Program       string  `yaml:"decoder_program" doc:"decoder ffmpeg: name or path of the program; its version is part of the preprocessing's digest"`
	Libraries     string  `yaml:"libraries" doc:"libraries of the system, loaded at run time: libsndfile decodes Opus more exactly, and AIFF, AU, CAF and Wave64; libsoxr resamples. auto takes those that are there, require does not start without both, off (in quotes: YAML 1.1, as of the chart, takes it for false) takes none; which took part is in the preprocessing's digest, so set off or require where machines must agree. They parse in the worker's own process"`
	MaxDecoded    float64 `yaml:"max_decoded_seconds" doc:"window, speech, overlap: longest recording that is taken apart, window by window; longer ones are dead letters (too-large). memory_budget holds the file (at most fetch.max_object_bytes; six hours of WAV at 16 kHz are 659 MiB), what is decoded of it (a window; speech: three) and up to 16 windows on their way through the model, whatever its length, and what the heads keep of it: 2 KiB a row, and for a transcript joined by overlap about 158 bytes a frame, which are 170 MB for six hours; 0 means 21600, or max_seconds if that is more"`
}

// Text is how text is treated.
type Text struct {
	Long          string `yaml:"long" doc:"what to do with text over the model's length: fail, truncate (and flag) or window"`
	Truncation    string `yaml:"truncation" doc:"long truncate: which of two texts gives way, of pairs and choices: longest_first, only_first (the object's) or only_second; where nothing would be left of it the reference is a dead letter (too-large)"`
	Stride        int    `yaml:"stride" doc:"tokens that neighbouring windows share"`
	SpecialTokens *bool  `yaml:"special_tokens" doc:"read special tokens such as <mask> inside the text as such, as the reference does; turn it off for untrusted text (default true)"`
	InvalidUTF8   string `yaml:"invalid_utf8" doc:"fail or replace; of another charset too"`
	Format        string `yaml:"format" doc:"what an object's text is wrapped in: plain, json (the string at field), html or markdown (stripped to what a reader sees)"`
	Field         string `yaml:"field" doc:"format json: path of the text in the object: names and numbers joined by dots, or a JSON pointer (/a/b)"`
	Charset       string `yaml:"charset" doc:"of objects: utf-8, utf-8-sig (a byte order mark is dropped), utf-16, utf-16le, utf-16be, ascii, latin1 (ISO 8859-1 itself), another name of the WHATWG's (windows-1252, shift_jis, gb18030, ...), or detect: by byte order mark, HTML's own declaration, UTF-8 if it is, else windows-1252; rows then tell in the attribute vecmill.charset"`
	MaxTokens     int    `yaml:"max_tokens" doc:"longest window, special tokens and a question included; 0 means what model and tokenizer allow (the reference answers questions with 384, and a stride of 128)"`
}

// Image is how pictures are treated.
type Image struct {
	MaxPixels   int64  `yaml:"max_pixels" doc:"larger pictures are dead letters (too-large), refused by their header"`
	Height      int    `yaml:"height" doc:"height in pixels of what the model gets; 0 means the checkpoint's processor. Positions are interpolated as the reference does; a model that cannot says so at start"`
	Width       int    `yaml:"width" doc:"width; height and width go together"`
	Orientation string `yaml:"orientation" doc:"pictures that are stored turned: exif (turned upright by Exif or XMP, as the reference's pipelines do) or ignore (as stored, as with PIL.Image.open alone; TIFF is upright all the same); part of the preprocessing's digest"`
	Libraries   string `yaml:"libraries" doc:"libturbojpeg of the system, loaded at run time, decodes JPEG faster, to the same pixels. auto takes it where it is there, require does not start without, off (in quotes: YAML 1.1, as of the chart, takes it for false) does not look; which it was is in the preprocessing's digest, so set off or require where machines must agree. It parses in the worker's own process"`
	Draft       bool   `yaml:"draft" doc:"decode JPEG at 1/2, 1/4 or 1/8 where the result is still no smaller than the processor's resize, as Pillow's draft mode does: faster, with slightly other values"`
}

// Head is one result of a model.
type Head struct {
	Name        string   `yaml:"name" doc:"name in the rows; empty means the task"`
	Task        string   `yaml:"task" doc:"embedding, transcript, classification, frames, xvector, tokens, masks, fill, perplexity, answers or choice; each fits some classes, see the README"`
	Pooling     string   `yaml:"pooling" doc:"embedding: mean, cls, max or first_last (the mean over the states behind the first layer and the last)"`
	Normalize   *bool    `yaml:"normalize" doc:"embedding and xvector: scale to length 1 (default true)"`
	TopK        int      `yaml:"top_k" doc:"classification, fill, answers: labels, proposals for each mask, or answers to keep; 0 means 5, of answers 1"`
	Aggregation string   `yaml:"aggregation" doc:"tokens: how they become entities: none, simple, first, average or max"`
	DType       string   `yaml:"dtype" doc:"embedding and xvector: fp32 (column vector) or fp16 (column vector_f16)"`
	Function    string   `yaml:"function" doc:"classification: softmax, sigmoid or none; empty means what the reference's pipeline takes for the checkpoint. frames: softmax (each frame has its best label; the default) or sigmoid (it has every label above the threshold)"`
	Threshold   float64  `yaml:"threshold" doc:"frames: score, below 1, that a label must be above; 0 means 0.5 for the sigmoid"`
	Mask        string   `yaml:"mask" doc:"masks: runs (run-length encoded), png (a grey picture of class numbers) or both"`
	MaxAnswer   int      `yaml:"max_answer_tokens" doc:"answers: longest answer, tokens; 0 means 15"`
	NoAnswer    bool     `yaml:"no_answer" doc:"answers: an empty one, which says that the text does not tell, is among them"`
	Decoding    Decoding `yaml:"decoding" doc:"how a transcript is searched for"`
}

// Decoding is how a transcript is searched for.
type Decoding struct {
	Search          string   `yaml:"search" doc:"transcript: greedy (each frame's best token) or beam (as the reference's pipeline with a language model: alphabet.json and language_model of the checkpoint, if they are there)"`
	LanguageModel   string   `yaml:"language_model" doc:"beam: ARPA file (plain or gzip) or KenLM binary in place of the checkpoint's"`
	Unigrams        string   `yaml:"unigrams" doc:"beam: file of the words that exist, one a line, for language_model; empty means those of an ARPA file"`
	BeamWidth       int      `yaml:"beam_width" doc:"beam: beams kept after each frame; 0 means 100"`
	BeamPruneLogP   float64  `yaml:"beam_prune_logp" doc:"beam: beams that are worse than the best by more are dropped; 0 means -10"`
	TokenMinLogP    float64  `yaml:"token_min_logp" doc:"beam: tokens below are passed over, but for a frame's best; 0 means -5"`
	HotWords        []string `yaml:"hotwords" doc:"beam: words or phrases that count more"`
	HotWordWeight   float64  `yaml:"hotword_weight" doc:"beam: how much more; 0 means 10"`
	Alpha           *float64 `yaml:"alpha" doc:"beam: weight of the language model; silence means the checkpoint's, or 0.5"`
	Beta            *float64 `yaml:"beta" doc:"beam: added for every word; silence means the checkpoint's, or 1.5"`
	UnkScoreOffset  *float64 `yaml:"unk_score_offset" doc:"beam: added for unknown words; silence means the checkpoint's, or -10"`
	LMScoreBoundary *bool    `yaml:"lm_score_boundary" doc:"beam: count the beginning and the end of the text; silence means the checkpoint's, or true"`
}

// Batch bounds micro-batches.
type Batch struct {
	MaxCost  int      `yaml:"max_cost" doc:"longest item times items, as padded, in the model's steps (audio frames, tokens, patches)"`
	MaxItems int      `yaml:"max_items" doc:"items"`
	MaxBytes Bytes    `yaml:"max_bytes" doc:"most memory that a batch takes in the arena, each of those that run at once, by what worker doctor has measured of this model on such a machine, which it prints; an item that needs more goes alone; 0 means no limit, and nothing is limited where it has not measured"`
	Window   int      `yaml:"window" doc:"items that may wait to be sorted by length"`
	Linger   Duration `yaml:"linger" doc:"how long an item waits for company when the session is idle"`
	MaxAge   Duration `yaml:"max_age" doc:"an item older than this is in the next batch of its priority"`
	Latency  Duration `yaml:"latency" doc:"target for the time from an item's waiting for a batch to its results, of records of the first topic of priority, or of all where there is none; batches are kept to half of it by what they have been seen to take, at some loss of throughput; 0 means none"`
	Packing  bool     `yaml:"packing" doc:"audio and text: items one behind the other in rows of a constant length, as GPUs want them; another graph, with a digest of its own"`
	Row      int      `yaml:"row" doc:"packing: steps of a row, of which max_cost holds several; 0 means 512 tokens or 1500 audio frames (30 s), at most max_cost"`
}

// Output is one place that rows go to.
type Output struct {
	Parquet    *Parquet     `yaml:"parquet" doc:"Parquet files, exactly once"`
	Arrow      *Arrow       `yaml:"arrow" doc:"stream files of Arrow IPC (.arrows), exactly once"`
	Postgres   *Postgres    `yaml:"postgres" doc:"a table of PostgreSQL with pgvector, exactly once"`
	Iceberg    *Iceberg     `yaml:"iceberg" doc:"a table of an Iceberg catalog, exactly once"`
	JSONL      *JSONL       `yaml:"jsonl" doc:"lines of JSON in a file or on standard output, at least once"`
	Kafka      *KafkaOutput `yaml:"kafka" doc:"messages of JSON, Avro or Arrow in a topic of the cluster of kafka, at least once"`
	Webhook    *Webhook     `yaml:"webhook" doc:"signed HTTP requests, at least once"`
	Redis      *Redis       `yaml:"redis" doc:"the newest row of each reference as a hash in Redis, exactly once on one node"`
	Qdrant     *Qdrant      `yaml:"qdrant" doc:"points in a collection of Qdrant, at least once"`
	Milvus     *Milvus      `yaml:"milvus" doc:"entities in a collection of Milvus, at least once"`
	Flight     *Flight      `yaml:"flight" doc:"streams to a server of Arrow Flight (DoPut), at least once"`
	OpenSearch *OpenSearch  `yaml:"opensearch" doc:"documents in an index of OpenSearch, at least once"`
	Feast      *Feast       `yaml:"feast" doc:"a push source of a feature server of Feast, at least once"`
	BestEffort bool         `yaml:"best_effort" doc:"nothing waits for this output: rows that come while it fails or is full are left out of it, and stay so; never make it a required one later: that wants a new place"`
}

// Parquet is a place for Parquet files.
type Parquet struct {
	URL         string   `yaml:"url" doc:"s3://bucket/prefix or file:///directory"`
	Layout      string   `yaml:"layout" doc:"plain: <pipeline>/<topic>/<partition>/; hive: pipeline=<pipeline>/source=<topic>/part=<partition>/day=<day written, UTC>/. Files of a pipeline keep their layout: another one needs another url"`
	RollBytes   Bytes    `yaml:"roll_bytes" doc:"a file is closed at about this size"`
	RollRows    int      `yaml:"roll_rows" doc:"or at this number of rows"`
	RollAge     Duration `yaml:"roll_age" doc:"or when its first row is this old: how long rows may take to appear"`
	Compression string   `yaml:"compression" doc:"parquet: zstd, snappy or none; arrow: lz4, zstd or none"`
	MaxBuffered Bytes    `yaml:"max_buffered" doc:"rows buffered over all open files; the largest file is closed early when it is used up"`
}

// Arrow is a place for stream files of Arrow IPC.
type Arrow Parquet

// DeadLetters is where records go that can never give a row: a topic, or a place for objects.
type DeadLetters struct {
	Topic string `yaml:"topic" doc:"Kafka topic"`
	URL   string `yaml:"url" doc:"s3://bucket/prefix or file:///directory, one object per record"`
}
